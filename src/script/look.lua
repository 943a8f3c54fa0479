-- look.lua -- LOOK: who holds, for how long, the mark, and who waits.  Changes nothing.
-- KEYS: lock; unless plain: mark, queue.

-- Of each waiter what stands behind the digits of its token, a line each; the first of them only.
local SHOWN_MAX = 32

local holder = holder_read()
local mark = mark_read(KEYS[2])
if bad then
    return refuse()
end
local count, labels = 0, {}
if KEYS[3] then
    count = redis.call('ZCARD', KEYS[3])
    for index, token in ipairs(redis.call('ZRANGE', KEYS[3], 0, SHOWN_MAX - 1)) do
        local label = string.match(token, '^%x+:(.*)$') or token
        labels[index] = string.gsub(string.sub(label, 1, 64), '%c', '?') .. '\n'
    end
end
return answer(YES, mark, left_ms(), shown(holder), count, table.concat(labels))
