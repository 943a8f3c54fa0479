-- declare.lua -- DECLARE: this server is new and empty, and may vote at once.
-- KEYS: boot.  ARGV: run_id.

local run = run_arg(1)
if bad or run == '' then
    bad = bad or 'run_id'
    return refuse()
end
redis.call('SET', KEYS[1], run .. ' 0')
return answer(YES, 0, 0)
