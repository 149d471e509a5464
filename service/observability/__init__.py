"""How the service is seen from outside: metrics, log lines, traces."""
