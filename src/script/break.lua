-- break.lua -- BREAK: take the name from whoever has it.
-- KEYS: lock; unless plain: mark, queue, alive.  ARGV: fence.
-- The mark goes above every fence given so far, so that a renewal of the old holder is not healed;
-- `fence` is the caller's own proposal, as in GRANT.

local fence = number_arg(1, 0, NUMBER_MAX, 'fence')
local holder = holder_read()
local mark = mark_read(KEYS[2])
if bad then
    return refuse()
end
if KEYS[2] then
    -- As in GRANT; but breaking is for when something is wrong already, so it is not refused.
    if fence > now_us + HOUR_US then
        fence = 0
    end
    mark = math.max(mark + 1, fence)
    mark_write(mark)
end
redis.call('DEL', KEYS[1])
if KEYS[4] then
    queue_wake_before('')
end
return answer(YES, mark, 0, shown(holder))
