"""`sidecar run`: starts, supervises and stops the parts; files for Fluent Bit; metrics and health."""
