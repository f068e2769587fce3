"""Reports: the folder of a study in; figures, tables and a page out."""
