"""Small scripted servers: real HTTP over real sockets, and a script in place of a mind."""
