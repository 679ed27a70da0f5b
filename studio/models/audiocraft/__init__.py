"""What audiocraft's model folders mean, in Hugging Face's terms; it reads no weights."""
