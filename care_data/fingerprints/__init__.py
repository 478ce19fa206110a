"""What makes two texts alike: their key, its shingles, MinHash signatures, bands, and the true Jaccard."""
