import { openStore } from '../../shared/store/dynamodb.ts'
import { TransactWriteCommand, GetCommand } from '@aws-sdk/lib-dynamodb'
process.env.AWS_REGION='eu-west-1';process.env.AWS_ACCESS_KEY_ID='x';process.env.AWS_SECRET_ACCESS_KEY='x';process.env.AWS_ENDPOINT_URL_DYNAMODB='http://localhost:1'
const store = openStore({workspacesTable:'w',ledgerTable:'l',usageRetentionDays:400})
const enc = new TextEncoder()
const body = enc.encode('{"Item":{"workspaceId":{"S":"a"},"balance":{"N":"100"}}}')
store.client.config.requestHandler = { async handle(r: any){ JSON.parse(r.body); return {response:{statusCode:200,headers:{'content-type':'application/x-amz-json-1.0'},body}} }, metadata:{handlerProtocol:'http/1.1'}, updateHttpClientConfig(){}, httpHandlerConfigs(){return {}} } as any
const one = () => store.client.send(new GetCommand({TableName:'w',Key:{workspaceId:'a'},ConsistentRead:true}))
const tw = () => store.client.send(new TransactWriteCommand({ClientRequestToken:'x',TransactItems:[{Update:{TableName:'w',Key:{workspaceId:'a'},UpdateExpression:'SET a=:b, c=:d',ConditionExpression:'x',ExpressionAttributeNames:{'#a':'b','#c':'c'},ExpressionAttributeValues:{':a':1,':b':2,':c':'sdaf'}}},{Put:{TableName:'l',Item:{a:1,b:2,c:3,d:4,e:5,f:'aa'}}}]}))
console.log((await one()).Item)
for (const f of [one,tw]) for (let k=0;k<3;k++){ const t=performance.now(); for(let i=0;i<3000;i++) await f(); console.log(f.name,(performance.now()-t)/3000,'ms') }
