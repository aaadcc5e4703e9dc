"""Whether the responder would get a finding, read what it must and be allowed no more. Pure: asks its ports, and reads.

Each check is one line with its mend. What could not be asked is `not_checked` with the reason, and never `ok`.
"""
