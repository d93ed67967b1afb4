"""What is kept between requests: documents, on Firestore or in SQLite, behind one port."""
