"""What a person sees: views of status and events, the live screen, and text that fits a terminal of any kind.

It owns lines, colours and keys. It asks no service: commands give it what is to be shown.
"""
