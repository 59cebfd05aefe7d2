"""The campaign's second layer: real processes, real sockets and CCXT's own clients, whose time goes twenty times as fast."""
