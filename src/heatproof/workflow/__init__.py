"""What the Snakefile computes: files, sections, resources and code of each job."""
