"""What a user has of his own beside chats: API keys and preferences."""
