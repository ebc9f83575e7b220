"""What a person sees of results: tables, pictures, one page of HTML, and where they come from."""
