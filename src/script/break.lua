-- break.lua -- BREAK: take the name from whoever has it.
-- KEYS: lock, and the mark unless plain.
-- The mark goes above every fence given so far, so that a renewal of the old holder is not healed.

local holder = holder_read()
local mark = mark_read(KEYS[2])
if bad then
    return refuse()
end
if KEYS[2] then
    mark = math.max(mark + 1, now_us)
    mark_write(mark)
end
redis.call('DEL', KEYS[1])
return answer(YES, mark, 0, shown(holder))
