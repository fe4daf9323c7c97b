"""What is read out of a finished run: fronts, gains and their causes, tables, figures. Nothing is computed anew."""
