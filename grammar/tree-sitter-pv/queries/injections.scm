; Doc comments are Markdown, a line at a time; the marks stay comments.
((doc_comment) @injection.content
  (#set! injection.language "markdown_inline"))
((inner_doc_comment) @injection.content
  (#set! injection.language "markdown_inline"))

; Notes and addresses in remarks.
([(comment) (block_comment)] @injection.content
  (#set! injection.language "comment"))
