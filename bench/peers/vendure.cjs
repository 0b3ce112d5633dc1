// Vendure as its documentation starts it, with one product and the payment that its examples use.
// node vendure.cjs populate|serve PORT SOCKET_DIRECTORY POSTGRES_PORT DATABASE

const fs = require('node:fs');
const { bootstrap, dummyPaymentHandler, DefaultLogger, LogLevel } = require('@vendure/core');

const [task, port, socket, postgresPort, database] = process.argv.slice(2);

const config = {
  apiOptions: { port: Number(port), hostname: '127.0.0.1', shopApiPath: 'shop-api' },
  authOptions: {
    tokenMethod: ['bearer'],
    superadminCredentials: { identifier: 'bench', password: 'a password of the benchmark' },
  },
  dbConnectionOptions: {
    type: 'postgres',
    host: socket,
    port: Number(postgresPort),
    username: 'lockstock',
    database,
    synchronize: task === 'populate',
    logging: false,
    poolSize: 16,
  },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  logger: new DefaultLogger({ level: LogLevel.Error }),
};

const initial = {
  defaultLanguage: 'en',
  defaultZone: 'Europe',
  countries: [{ name: 'Germany', code: 'DE', zone: 'Europe' }],
  taxRates: [{ name: 'Standard Tax', percentage: 0 }],
  shippingMethods: [{ name: 'Standard Shipping', price: 0 }],
  paymentMethods: [
    {
      name: 'Standard Payment',
      handler: {
        code: dummyPaymentHandler.code,
        arguments: [{ name: 'automaticSettle', value: 'true' }],
      },
    },
  ],
  collections: [],
};

const PRODUCTS =
  'name,slug,description,assets,facets,optionGroups,optionValues,sku,price,taxCategory,' +
  'stockOnHand,trackInventory,variantAssets,variantFacets\n' +
  'Teapot,teapot,One of fifty.,,,,,TEAPOT,12.50,standard,50,true,,\n';

async function populateShop() {
  const { populate } = require('@vendure/core/cli');
  fs.writeFileSync('products.csv', PRODUCTS);
  const app = await populate(() => bootstrap(config), initial, 'products.csv');
  await app.close();
  process.exit(0);
}

(task === 'populate' ? populateShop() : bootstrap(config)).catch((error) => {
  console.error(error);
  process.exit(1);
});
