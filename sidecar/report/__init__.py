"""`sidecar report`: what a cluster went through, as one HTML file that needs nothing else.

    queries, ask     what OpenSearch is asked: counts by the server, the documents of problems, never the lines of logs
    answers, health  what it says -> `model.Report`; pure
    buckets          how a window is divided, and where its axis has words
    charts           counts -> SVG
    page             `model.Report` -> HTML; pure: the same report gives the same bytes
    make             all of it, in this order

**Charts.** They are drawn here, as SVG, by [pygal](https://www.pygal.org): the page needs no script at all, so that it
can forbid all of them, it prints as it is seen, its colours follow the reader's choice of light or dark, and every bar
says what it is. pygal is pure Python and has 2 MB with what it brings; its last release was in June 2026. It is under
the LGPL, and used unchanged.

What was looked at beside it: vl-convert with altair draws as well or better, but carries a JavaScript engine (84 MB and
22 MB); plotly (76 MB) and bokeh (146 MB) draw in the browser, with megabytes of JavaScript in each file; leather
(1 MB) doesn't stack bars. Bars within tables are rectangles of the template's.

**Escaping.** Names and messages come from whoever may create a Pod. The page is a Jinja2 template with autoescape, and
each value passes `text.visible` on its way into it; see `page`.
"""
