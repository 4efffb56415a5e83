-- Run by main.rs at the root of the project: opens $PV_FILE with the server $PVC and mends it. Any error ends Neovim
-- with a failure.
local ok, problem = pcall(function()
  vim.opt.runtimepath:prepend({ 'grammar/vim', 'grammar/neovim' })
  vim.cmd('filetype plugin on')
  require('pvc').setup({ cmd = { os.getenv('PVC'), 'lsp' } })
  vim.cmd('edit ' .. vim.fn.fnameescape(os.getenv('PV_FILE')))

  local function text()
    return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n') .. '\n'
  end
  local function await(what, done)
    assert(vim.wait(30000, done, 20), 'waited for ' .. what .. '\n' .. text() .. vim.inspect(vim.diagnostic.get(0)))
  end
  -- The line and column of the first place where a text stands, 1 and 0 based.
  local function go(needle)
    for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, true)) do
      local column = line:find(needle, 1, true)
      if column then
        vim.api.nvim_win_set_cursor(0, { number, column - 1 })
        return
      end
    end
    error(needle .. ' is not there')
  end
  local function codes()
    local list = {}
    for _, found in ipairs(vim.diagnostic.get(0)) do
      local lsp = found.user_data and found.user_data.lsp or {}
      list[#list + 1] = found.code or lsp.code
    end
    table.sort(list)
    return table.concat(list, ' ')
  end

  await('the findings', function() return codes():find('PV0303', 1, true) and codes():find('PV0502', 1, true) end)

  -- Of several fixes the first is taken.
  vim.ui.select = function(items, _, choose) choose(items[1], 1) end
  go('91')
  vim.lsp.buf.code_action()
  await('the fix of the bytes', function() return text():find('= fa 90', 1, true) end)
  await('one finding less', function() return not codes():find('PV0303', 1, true) end)
  go('cli')
  vim.lsp.buf.code_action()
  await('the fix of the clobbers', function() return text():find('clobbers barrier', 1, true) end)
  await('no finding', function() return codes() == '' end)

  local shown
  vim.lsp.handlers['textDocument/hover'] = function(_, result) shown = result end
  go('= fa')
  vim.lsp.buf.hover()
  await('the hover', function() return shown end)
  assert(shown.contents.value:find('2/6 bytes', 1, true), vim.inspect(shown))

  go('xenpv')
  vim.lsp.buf.rename('xen_guest')
  await('the new name', function()
    return not text():find('xenpv', 1, true) and text():find('!xen_guest', 1, true)
  end)

  if vim.lsp.buf.format then
    vim.lsp.buf.format({ timeout_ms = 30000 })
  else
    vim.lsp.buf.formatting_sync(nil, 30000)
  end
  await('no finding at the end', function() return codes() == '' end)
  vim.cmd('write')
end)
if not ok then
  io.stderr:write(tostring(problem) .. '\n')
  vim.cmd('cquit!')
end
vim.cmd('quitall!')
