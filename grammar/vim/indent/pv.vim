" One step for each open brace; roles ({flags}) and bodies on one line balance themselves.
if exists('b:did_indent')
  finish
endif
let b:did_indent = 1

setlocal indentexpr=PvIndent(v:lnum) indentkeys=0},!^F,o,O nolisp
let b:undo_indent = 'setlocal indentexpr< indentkeys< lisp<'

if exists('*PvIndent')
  finish
endif

" The text of a line without comments, strings and roles.
function! s:Code(line) abort
  let text = substitute(a:line, '"[^"]*"', '', 'g')
  let text = substitute(text, '\%(//\|#\).*', '', '')
  return substitute(text, '{\w*}', '', 'g')
endfunction

function! PvIndent(lnum) abort
  let above = prevnonblank(a:lnum - 1)
  if above == 0
    return 0
  endif
  let text = s:Code(getline(above))
  let depth = count(text, '{') - count(text, '}')
  " A brace that leads its line was counted when that line was indented.
  let depth += text =~# '^\s*}' ? 1 : 0
  let depth -= getline(a:lnum) =~# '^\s*}' ? 1 : 0
  return max([0, indent(above) + depth * shiftwidth()])
endfunction
