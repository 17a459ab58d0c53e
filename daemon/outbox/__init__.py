"""Between what rules decide and every door: kept on disk until it has been delivered, or visibly given up."""
