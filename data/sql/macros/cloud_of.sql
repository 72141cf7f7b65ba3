-- The cloud that offers are listed under (aws, azure, gcp), from a name on a bill or a provider's own id.
-- Unknown names stay as they are, in lower case.
CREATE OR REPLACE TEMP MACRO cloud_of(name) AS
CASE
    WHEN regexp_matches(name, '(?i)\b(aws|amazon)') THEN 'aws'
    WHEN regexp_matches(name, '(?i)(azure|microsoft|/subscriptions/|providers/microsoft)') THEN 'azure'
    WHEN regexp_matches(name, '(?i)(google|\bgcp\b|^projects/|billingaccounts/)') THEN 'gcp'
    ELSE lower(name)
END
