import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers.html_markdown import MarkdownWriter
from integrations.importers.html_tokens import Tag, tokens


def markdown(page: str, *, keeps_hidden: bool = False) -> str:
    writer = MarkdownWriter(keeps_hidden=keeps_hidden)
    for token in tokens(page):
        writer.take(token)
    return writer.text


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("a &lt; b", ["a < b"]),
        ("<P CLASS=x>a</P>", [Tag("p", {"class": "x"}), "a", Tag("p", {}, True)]),
        ("<a href='1' href=2 b c=\"x>y\" d = '\"'>", [Tag("a", {"href": "1", "b": "", "c": "x>y", "d": '"'})]),
        ("<a title='&quot;&amp;'>", [Tag("a", {"title": '"&'})]),
        ("<br/><br />", [Tag("br"), Tag("br")]),
        ("a<!-- <b> -->c<!doctype html>d<?x?>e", ["a", "c", "d", "e"]),
        ("1 < 2 <3 <é", ["1 ", "<", " 2 ", "<", "3 ", "<", "é"]),
        ("a<script>if (a<b) '</p>'</script>b<STYLE>p{}</STYLE>c", ["a", "b", "c"]),
        ("<svg><path/></svg>a<title>t</title>", ["a"]),
        ("a<b", ["a"]),
        ("a<b c='", ["a"]),
        ("a<!-- b", ["a"]),
        ("<script>a", []),
        ("<a = = b>c", [Tag("a", {"b": ""}), "c"]),
        ("</>a</p", ["a"]),
    ],
)
def test_it_splits_a_page_as_a_browser_does(page, expected):
    assert [token for token in tokens(page) if token != ""] == expected


@pytest.mark.parametrize(
    "piece",
    ["<", "<a", "<a ", "<a b='", '<a b="', "<!--", "</", "<a =", "<script>", "<div>", "&", "&#", " ", "<a/", "<ul><li>"]
    + ["<a b=c", "<blockquote>a", "<pre><code>", "```", "<p>[", "<td>", "<svg>", "<p hidden"],
)
def test_it_takes_linear_time_whatever_it_is_given(piece):
    started = time.monotonic()
    markdown("<p " + " " * 100_000 + "=" + piece * 20_000 + "x" * 10)
    markdown(piece * 20_000)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>One</p><p>Two <b>bold</b> <em>it</em> <del>no</del></p>", "One\n\nTwo **bold** _it_ ~~no~~"),
        ("<div>One<div>Two</div></div>", "One\n\nTwo"),
        ("a  \n b<br>c<br/>d", "a b\nc\nd"),
        ("<h2>Title</h2>text<hr>more", "## Title\n\ntext\n\n---\n\nmore"),
        ("<ul><li>a</li><li>b</li></ul>c", "- a\n- b\n\nc"),
        ("<ol><li>a</li><li>b<ol><li>c</li></ol></li></ol>", "1. a\n2. b\n   1. c"),
        ("<ol start=9><li>a</li></ol><ol start=x><li>b</li></ol>", "9. a\n\n1. b"),
        ("<li>a</li>", "- a"),
        ("<blockquote><p>a</p><p>b</p></blockquote>c", "> a\n\n> b\n\nc"),
        ("<ul><li><pre><code>a\nb</code></pre></li></ul>", "- ```\n  a\n  b\n  ```"),
        ("<pre>a  b\n c</pre>", "```\na  b\n c\n```"),
        ('<pre><span>js</span><code class="x language-js">a&amp;<br>b</code></pre>', "```js\na&\nb\n```"),
        ("<pre><code>a ``` b</code></pre>", "````\na ``` b\n````"),
        ("<code>a</code>", "`a`"),
        ('<a href="https://a.example/x">A</a>', "[A](https://a.example/x)"),
        ('<a href="javascript:alert(1)">A</a><a>B</a><a href="https://a.example/)x">C</a>', "ABC"),
        (
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>c",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n\nc",
        ),
        ("a<button>Copy<span>x</span></button>b<select><option>x</select>c", "abc"),
        ('a<span class="x sr-only">hidden</span>b<i aria-hidden="true">x</i>', "ab"),
        ("<math><mi>a</mi><annotation>x^2</annotation></math>", "a$x^2$"),
        ("</p></ul></li></blockquote></a>a", "a"),
        ("", ""),
    ],
)
def test_it_writes_what_a_page_shows_as_markdown(page, expected):
    assert markdown(page) == expected


def test_it_shows_on_demand_what_is_for_screen_readers():
    assert markdown('<h5 class="sr-only">You said:</h5>a', keeps_hidden=True) == "##### You said:\n\na"


def test_it_counts_images():
    writer = MarkdownWriter()
    for token in tokens("<p>a<img src=x><img></p>"):
        writer.take(token)
    assert (writer.text, writer.omitted) == ("a[image][image]", {"image": 2})


def test_it_writes_what_is_nested_too_deep_at_a_depth_that_can_be_read():
    assert markdown("<blockquote>" * 1000 + "a").count(">") == 12


PIECES = ["<p>", "</p>", "<ul>", "<li>", "</li>", "</ul>", "<pre>", "</pre>", "<a href='https://a.example'>", "</a>"]
PIECES += [
    "<td>",
    "<tr>",
    "</table>",
    "words",
    " ",
    "<br>",
    "<b>",
    "</b>",
    "</i>",
    "<h2>",
    "<blockquote>",
    "</blockquote>",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_it_loses_no_words(pieces):
    assert markdown("".join(pieces)).count("words") == pieces.count("words")
