"""The format of the UCI data set Online Retail."""
