-- The days (their starts, UTC) that lie between two moments, the later one excluded.
CREATE OR REPLACE TEMP MACRO days_of(starts, ends) AS
generate_series(date_trunc('day', starts), ends - INTERVAL 1 MICROSECOND, INTERVAL 1 DAY)
