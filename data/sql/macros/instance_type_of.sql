-- The instance type that a charge names in its SKU details; NULL where it names none.
CREATE OR REPLACE TEMP MACRO instance_type_of(details) AS
CASE WHEN json_valid(details) THEN json_extract_string(details, '$.InstanceType') END
