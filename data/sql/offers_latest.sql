-- The newest price, as known at $as_of, of each thing that can be bought.
-- grain: provider, region, instance_type, purchase, term
-- units: price_hourly in `currency` per hour, exact decimal; as_of is the date of the price
-- source: offers; of two prices of one date the one read from a list comes before the derived one, then the
--         source first in the alphabet
-- parameters: $as_of, a moment; prices dated later are left out
SELECT * EXCLUDE (load_id)
FROM offers
WHERE as_of <= $as_of
QUALIFY row_number() OVER (
    PARTITION BY provider, region, instance_type, purchase, term
    ORDER BY as_of DESC, is_estimated, source
) = 1
ORDER BY provider, region, instance_type, purchase, term
