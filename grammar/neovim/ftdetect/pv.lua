vim.cmd('autocmd BufRead,BufNewFile *.pv setfiletype pv')
