"""Rules -> plan (router), plan -> answer (executor), and the health record both rest on."""
