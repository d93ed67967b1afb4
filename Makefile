# The two commands. Everything they need beyond Python 3.11+ they make themselves, in .venv.
.PHONY: run test package

# Serve the whole system on http://127.0.0.1:8080 (HOST, PORT; see .env.example).
run:
	@exec sh local/launch.sh run

# Run the whole test suite; what needs Node or a browser runs where these are found.
test:
	@exec sh local/launch.sh test $(ARGS)

# Build the archive of every function into build/functions, where Terraform takes it.
package:
	@python3 -m infra.package
