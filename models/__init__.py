"""What will happen: demand as calibrated distributions. Frames in, frames out: no database, no clock."""
