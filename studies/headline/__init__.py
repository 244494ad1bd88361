"""microLlama on Siracusa beside what Deeploy published: see docs/headline.md."""
