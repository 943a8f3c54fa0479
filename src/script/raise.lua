-- raise.lua -- RAISE: lift the mark to the fence, if this token holds.
-- KEYS: lock, mark, boot.  ARGV: token, not_after_ms, fence, run_id, guard_ms.

local token = token_arg(1)
local not_after_ms = number_arg(2, 0, NUMBER_MAX, 'not_after_ms')
local fence = number_arg(3, 1, NUMBER_MAX, 'fence')
local run, guard_ms = guard_args(4, KEYS[3])
if bad then
    return refuse()
end
if is_late(not_after_ms) then
    return answer(LATE, 0, 0)
end
local refusal = guard_refusal(KEYS[3], run, guard_ms)
if refusal then
    return refusal
end

local holder = holder_read()
local mark = mark_read(true)
if bad then
    return refuse()
end
if holder ~= token then
    return answer(NO, mark, 0)
end
-- A fence comes from a node that accepted it within an hour of its own clock; a day leaves room for
-- clocks that differ, and still none for a fence that no node can have given.
if fence > now_us + DAY_US and fence > mark then
    return answer(CLOCK, mark, 0)
end
mark = math.max(mark, fence)
mark_write(mark)
return answer(YES, mark, 0)
