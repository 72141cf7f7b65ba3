-- A unit spelled as FOCUS wants it: GB-Months of "GB-Mo", 10000 Units of "10K", GiB-Months of "gibibyte month".
-- What follows no pattern known here stays as its provider spells it.
CREATE OR REPLACE TEMP MACRO focus_unit(unit) AS
CASE
    WHEN unit IS NULL THEN NULL
    WHEN regexp_matches(unit, '^\d+\s*[KMB]([ /]|$)') THEN
        regexp_extract(unit, '^\d+')
        || CASE regexp_extract(unit, '[KMB]') WHEN 'K' THEN '000' WHEN 'M' THEN '000000' ELSE '000000000' END
        || regexp_replace(regexp_extract(unit, '[KMB](.*)', 1), '^(/|$)', ' Units\1')
    WHEN regexp_matches(unit, '^\d+\s*$') THEN trim(unit) || ' Units'
    WHEN regexp_matches(unit, '^1\s*/[A-Za-z]+$') THEN 'Units' || regexp_extract(unit, '/.*')
    WHEN regexp_matches(unit, '^1 \w+/[A-Za-z]+$') THEN unit[3:]
    WHEN regexp_matches(unit, '(?i)^\d|\bper\b') THEN unit
    ELSE concat_ws(
        '-',
        CASE lower(regexp_replace(unit, '(?i)(^|[- ])(mo|months?|days?|hrs?|hours?|seconds?)$', ''))
            WHEN '' THEN NULL
            WHEN 'byte' THEN 'B'
            WHEN 'kibibyte' THEN 'KiB'
            WHEN 'mebibyte' THEN 'MiB'
            WHEN 'gibibyte' THEN 'GiB'
            WHEN 'tebibyte' THEN 'TiB'
            ELSE replace(regexp_replace(unit, '(?i)(^|[- ])(mo|months?|days?|hrs?|hours?|seconds?)$', ''), '-', ' ')
        END,
        CASE lower(left(regexp_extract(unit, '(?i)(^|[- ])(mo|months?|days?|hrs?|hours?|seconds?)$', 2), 1))
            WHEN 'm' THEN 'Months'
            WHEN 'd' THEN 'Days'
            WHEN 'h' THEN 'Hours'
            WHEN 's' THEN 'Seconds'
        END
    )
END
