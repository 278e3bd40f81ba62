"""The page: a small web server in the running daemon, with HTML pages, an API and health checks.

Only `cli/commands/run.py` imports it, and only if ``[web] listen`` is set; the daemon knows it as a
`BackgroundService`.

Modules: `service` starts and stops it; `routes` lists all addresses with who may use them; `application` puts the
layers around them: `limits` (sizes and times), `problems` (errors), `security` (hosts, origins, headers), `access`
(sessions, tokens) and `bodies` (forms and JSON). `context` holds what every handler gets, `viewer` who asks;
`rendering` fills the templates, and `event_streams` keeps server-sent events within bounds. `pages/` has one module
per page, `api/` one per resource of the API.

What the page changes is in `management`, for forms (`forms`, `pages/manage*`) and for the API alike. `contacts`
contacts servers because a person asks for it, `own_thread` looks at files that may never respond, `file_counts`
counts beside the pages, and `tasks` go on after the response.
"""
