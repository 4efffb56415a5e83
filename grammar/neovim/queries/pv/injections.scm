; Doc comments are Markdown, a line at a time, after their mark.
((doc_comment) @injection.content
  (#offset! @injection.content 0 3 0 0)
  (#set! injection.language "markdown_inline"))
((inner_doc_comment) @injection.content
  (#offset! @injection.content 0 3 0 0)
  (#set! injection.language "markdown_inline"))

([(comment) (block_comment)] @injection.content
  (#set! injection.language "comment"))
