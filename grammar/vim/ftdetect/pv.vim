autocmd BufRead,BufNewFile *.pv set filetype=pv
