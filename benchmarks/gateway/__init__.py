"""The gateway: requests and streams a second beside nginx, Portkey and LiteLLM, the time it adds, and what it holds to."""
