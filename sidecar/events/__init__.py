"""An Event's way: record -> journal -> confirmed."""
