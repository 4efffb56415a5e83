" Settings of a buffer with a patch set.
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1

setlocal comments=:///,://!,:// commentstring=//\ %s
setlocal formatoptions-=t formatoptions+=croql
setlocal expandtab shiftwidth=4 softtabstop=4
setlocal include=^\\s*include\\s\\+\" suffixesadd=.pv
setlocal define=^\\s*\\(op\\\|feature\\)\\s\\+
let b:undo_ftplugin = 'setlocal comments< commentstring< formatoptions< expandtab< shiftwidth< softtabstop<'
      \ . ' include< suffixesadd< define<'
