(op body: (_) @function.inside) @function.around
(parameter) @parameter.inside
(parameter) @parameter.around
[(comment) (block_comment) (doc_comment) (inner_doc_comment)] @comment.inside
[(comment) (block_comment) (doc_comment) (inner_doc_comment)]+ @comment.around
