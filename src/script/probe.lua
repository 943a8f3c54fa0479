-- probe.lua -- PROBE: may this run of the server vote, and if not, why?  Changes nothing.
-- KEYS: boot.  ARGV: run_id, guard_ms.

local run = run_arg(1)
local guard_ms = number_arg(2, 0, NUMBER_MAX, 'guard_ms')
if bad or run == '' then
    bad = bad or 'run_id'
    return refuse()
end
local word, silence_ms = guard_look(KEYS[1], run, guard_ms)
return answer(word == 'ready' and YES or NOT_READY, 0, silence_ms, word)
