"""The report people read: `ReportData` in, one self-contained HTML page and one Markdown file out."""
