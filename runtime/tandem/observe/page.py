"""Pure: the page's files, by path, with their types. The bundle ships Python alone, so they are texts in Python; nothing comes from elsewhere."""

from __future__ import annotations

from .page_script import SCRIPT
from .page_style import STYLE

_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tandem</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script src="/app.js" defer></script>
</head>
<body>
<a class="skip" href="#backends">Skip to backends and servers</a>
<header>
<h1 id="title">Tandem</h1>
<p id="about"></p>
</header>
<p id="stale" role="alert" hidden></p>
<p id="said" class="unseen" role="status" aria-live="polite"></p>
<noscript><p>This page needs JavaScript; <a href="/metrics">the metrics</a> do not, nor does <code>tandem status</code>.</p></noscript>
<main hidden>
<section aria-labelledby="problems-title">
<h2 id="problems-title">Problems</h2>
<p id="fine">None.</p>
<ul id="problems"></ul>
</section>
<section aria-labelledby="nodes-title">
<h2 id="nodes-title">Nodes</h2>
<ul id="nodes" class="cards"></ul>
<ul id="addresses" class="plain"></ul>
</section>
<section aria-labelledby="frontends-title">
<h2 id="frontends-title">Frontends</h2>
<ul id="frontends" class="cards"></ul>
</section>
<section aria-labelledby="backends-title">
<h2 id="backends-title">Backends</h2>
<p class="filter"><label for="filter">Show servers whose name, address or state has</label> <input id="filter" type="search" autocomplete="off"></p>
<div id="backends" tabindex="-1"></div>
</section>
<section aria-labelledby="certificates-title" id="certificates-section">
<h2 id="certificates-title">Certificates</h2>
<ul id="certificates" class="plain"></ul>
</section>
<section aria-labelledby="events-title">
<h2 id="events-title">What has happened</h2>
<ol id="events" class="plain" reversed></ol>
</section>
</main>
<footer><p>Pictures show the last ten minutes. <a href="/metrics">Metrics</a></p></footer>
</body>
</html>
"""
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="11" cy="16" r="8" fill="#1668b8"/>'
    '<circle cx="21" cy="16" r="8" fill="none" stroke="#1668b8" stroke-width="3"/></svg>'
)

FILES = {
    "/": ("text/html; charset=utf-8", _HTML.encode()),
    "/app.js": ("text/javascript; charset=utf-8", SCRIPT.encode()),
    "/style.css": ("text/css; charset=utf-8", STYLE.encode()),
    "/icon.svg": ("image/svg+xml", _ICON.encode()),
}
