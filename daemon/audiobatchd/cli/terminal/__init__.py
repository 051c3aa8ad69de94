"""The drawing of what a person sees: views of status and events, the live screen, text that fits any terminal.

It owns lines, colours and keys. It asks no service: commands give it what is to be shown.
"""
