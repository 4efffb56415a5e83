" Run by vim.rs in Vim and Neovim, at the root of the project. $PV_OUT is a directory with messages.txt; the arguments
" are valid files, the sample last. Writes what was found there; any error ends it with a failure.

" The syntax group at a place.
function! s:Group(line, column) abort
  return synIDattr(synID(a:line, a:column, 1), 'name')
endfunction

" Words that no group claims: a container says nothing about the words in it.
function! s:Plain() abort
  let containers = ['', 'pvBlock', 'pvAsm', 'pvSignature', 'pvReturns', 'pvOperands', 'pvWhen', 'pvBytes', 'pvAllow',
        \ 'pvFeatures', 'pvSites', 'pvClobbers', 'pvItemLine']
  let plain = []
  for line in range(1, line('$'))
    let text = getline(line)
    for column in range(1, len(text))
      if text[column - 1] =~# '\w' && index(containers, s:Group(line, column)) >= 0
        call add(plain, expand('%') . ':' . line . ':' . column . ': ' . text)
        break
      endif
    endfor
  endfor
  return plain
endfunction

" Each run of characters of one group, and the group.
function! s:Runs() abort
  let runs = []
  for line in range(1, line('$'))
    let text = getline(line)
    let start = 1
    for column in range(1, len(text))
      if column == len(text) || s:Group(line, column + 1) !=# s:Group(line, start)
        let run = trim(strpart(text, start - 1, column - start + 1))
        if run !=# ''
          call add(runs, line . ':' . run . ' ' . s:Group(line, start))
        endif
        let start = column + 1
      endif
    endfor
  endfor
  return runs
endfunction

try
  filetype plugin indent on
  syntax on
  let s:problems = []
  for s:file in argv()
    execute 'edit' fnameescape(s:file)
    if &filetype !=# 'pv' || get(b:, 'current_syntax', '') !=# 'pv' || &commentstring !=# '// %s' || &shiftwidth != 4
      call add(s:problems, s:file . ': the file type is not set up')
    endif
    call extend(s:problems, s:Plain())
    " Tables are laid out by hand beyond their first column; the shipped ones show the usual look.
    if s:file =~# '^patchsets/'
      let s:before = getline(1, '$')
      silent normal! gg=G
      if getline(1, '$') !=# s:before
        call add(s:problems, s:file . ': indenting changes it')
      endif
    endif
  endfor
  call writefile(s:Runs(), $PV_OUT . '/runs.txt')

  compiler pvc
  execute 'cgetfile' $PV_OUT . '/messages.txt'
  let s:list = filter(getqflist(), 'v:val.valid')
  call writefile(map(s:list, 'v:val.lnum . ":" . v:val.col . ":" . v:val.type . ":" . v:val.nr . ":" . v:val.text'),
        \ $PV_OUT . '/quickfix.txt')
  call writefile(s:problems, $PV_OUT . '/problems.txt')
  quitall!
catch
  call writefile([v:throwpoint . ': ' . v:exception], $PV_OUT . '/problems.txt')
  cquit!
endtry
