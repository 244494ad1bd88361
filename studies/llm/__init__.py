"""Language models of ../shared/models/llama: float against integers, in numbers and in text."""
