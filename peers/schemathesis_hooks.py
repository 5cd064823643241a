# What Schemathesis is told beside the description. A key is good for one request (422 `key-reused`): each gets one of its own, where a
# right one was drawn. Wrong ones stay as they were drawn.
import re
import uuid

import schemathesis

KEY = "Idempotency-Key"
RIGHT = re.compile(r"^[A-Za-z0-9._:-]{1,200}$")


@schemathesis.hook
def before_call(context, case, **kwargs):
    headers = case.headers or {}
    for name in list(headers):
        if name.lower() == KEY.lower() and isinstance(headers[name], str) and RIGHT.match(headers[name]):
            headers[name] = str(uuid.uuid4())
