-- The share, 0..1, of the time between two moments that lies in a day, named by its start.
CREATE OR REPLACE TEMP MACRO share_of_day(starts, ends, day) AS
(epoch_us(least(ends, day + INTERVAL 1 DAY)) - epoch_us(greatest(starts, day)))
/ (epoch_us(ends) - epoch_us(starts))::DOUBLE
