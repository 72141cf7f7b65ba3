-- The newest exchange rate of each pair of currencies at a moment.
-- grain: base_currency, quote_currency
-- units: rate in quote currency for one of the base currency, exact decimal; date is the day it holds from
-- source: fx_rates; only rates that were given, none is derived
-- parameters: $at, a moment
SELECT
    base_currency,
    quote_currency,
    rate,
    date,
    source
FROM fx_rates
WHERE date <= $at
QUALIFY row_number() OVER (PARTITION BY base_currency, quote_currency ORDER BY date DESC) = 1
ORDER BY base_currency, quote_currency
