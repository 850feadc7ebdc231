KILL QUERY /*on cluster*/
WHERE Settings['log_comment'] = {comment:String}
ASYNC
