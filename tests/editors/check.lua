-- Run by neovim.rs, at the root of the project. $PV_OUT is a directory with parser/pv.so; the arguments are valid files.
-- Any error ends Neovim with a failure.
local ok, problem = pcall(function()
  local out = os.getenv('PV_OUT')
  vim.opt.runtimepath:prepend({ 'grammar/vim', 'grammar/neovim', out })
  vim.cmd('filetype plugin on')

  -- A server that says nothing: what the client sends first is kept.
  local heard = out .. '/heard.txt'
  require('pvc').setup({ cmd = { 'sh', '-c', 'exec cat > ' .. vim.fn.shellescape(heard) } })

  for _, file in ipairs(vim.fn.argv()) do
    vim.cmd('edit ' .. vim.fn.fnameescape(file))
    assert(vim.bo.filetype == 'pv', file .. ': the file type is ' .. vim.bo.filetype)
    local buffer = vim.api.nvim_get_current_buf()
    local parser = vim.treesitter.get_parser(buffer, 'pv')
    local root = parser:parse()[1]:root()
    assert(not root:has_error(), file .. ': the parser finds a mistake')
    assert(vim.treesitter.highlighter.active[buffer], file .. ': tree-sitter does not colour the buffer')

    local counts = {}
    for _, kind in ipairs({ 'highlights', 'folds', 'injections', 'locals' }) do
      local query = vim.treesitter.get_query('pv', kind)
      assert(query, kind .. '.scm is not found')
      counts[kind] = 0
      for _ in query:iter_captures(root, buffer, 0, -1) do
        counts[kind] = counts[kind] + 1
      end
    end
    assert(counts.highlights > 10 and counts.folds > 0, file .. ': ' .. vim.inspect(counts))
  end

  local said = vim.wait(5000, function()
    local stream = io.open(heard)
    local text = stream and stream:read('*a') or ''
    if stream then
      stream:close()
    end
    return text:find('"method":"initialize"', 1, true) or text:find('"method": "initialize"', 1, true)
  end)
  assert(said, 'no server was asked to initialize')
end)
if not ok then
  io.stderr:write(tostring(problem) .. '\n')
  vim.cmd('cquit!')
end
vim.cmd('quitall!')
