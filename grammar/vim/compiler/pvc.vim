" :compiler pvc, then :make runs `pvc check` on the buffer's file and fills the quickfix list.
if exists('current_compiler')
  finish
endif
let current_compiler = 'pvc'

CompilerSet makeprg=pvc\ --color\ never\ check\ %:S
" error[PV0401]: MESSAGE
"    ┌─ FILE:LINE:COLUMN
CompilerSet errorformat=
      \%Eerror[PV%n]:\ %m,
      \%Wwarning[PV%n]:\ %m,
      \%Z\ %#┌─\ %f:%l:%c,
      \%-G%.%#
