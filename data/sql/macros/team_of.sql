-- The team a charge belongs to, from its tags: the first of Owner, owner, team, Team, CostCenter that is not empty.
-- Charges without any of them, or with tags that are no JSON object, have no team (NULL).
CREATE OR REPLACE TEMP MACRO team_of(tags) AS
CASE WHEN json_valid(tags) THEN coalesce(
    nullif(json_extract_string(tags, '$.Owner'), ''),
    nullif(json_extract_string(tags, '$.owner'), ''),
    nullif(json_extract_string(tags, '$.team'), ''),
    nullif(json_extract_string(tags, '$.Team'), ''),
    nullif(json_extract_string(tags, '$.CostCenter'), '')
) END
